"""The JSON documents that lie in an output folder, each as a frozen struct that checks it.

The seal of a document (`pipeline.manifest`) is a checksum, not a signature: whoever can write in
an output folder can seal what they like. So no field of a document is used before the whole of it
has been decoded into the struct of its kind: types, ranges, lengths, names below their folder.
What does not fit is `OutputDamaged`. Fields that a later version has added are passed over.
They are structs of msgspec and no dataclasses because every process imports them: Python writes
and compiles the methods of a dataclass anew each time, which takes a hundred times as long.

::

    jobs/*.json, job.json            records.JobRecord       job.Job, in the record as text
    archives/*.json                  records.ArchiveMark
    archives/*.refused.json          records.ArchiveRefusal
    archives/*.recorded.json         records.RecordedArchive
    archives/*.walked.json           records.WalkedMark
    sources/<split>-<digest>.json    sources.RecordedTree
    sources/list-<split>-<digest>.json  sources.RecordedList
    sources/list--<digest>.json      sources.RecordedSplits
    sources/annotations-*.json       records.FingerprintsMark
    sources/<family>/*.json          records.FingerprintsMark
    read/<digest>.json               sources.RecordedFile
    withdrawal.json                  records.Withdrawal
    labels/*.json                    tables.LabelsMark
    catalogs/*.json                  tables.CatalogMark
    plans/*.json                     tables.PlanMark
    segments/<digest>/*.json         segments.SegmentMark, and SegmentRowsMark of rows.json
    shards/<digest>/*.json           shards.ShardMark
    trees/<digest>/*.json            shards.GroupMark, and tree_listing beside it
    products/*.json                  products.ProductMark
    report/<digest>/*.json           report.ReportMark and others, duplicates.DuplicatesMark
    hashes/<split>/<digest>.json     duplicates.HashesMark
    openimages/selections/*/*.json   openimages.SelectionMark
    runs/*                           progress.Count and Timing, runend.RunEnd, errors: unsealed
    <output>/manifest.json           outputs.OutputManifest, for loaders listed.ListedShards
    NAME.manifest.json of im2rec     packed.PackManifest
"""
