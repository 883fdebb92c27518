"""Objects in S3 and in stores that speak its protocol: sign, list, put, remove.

No byte of an object is read here: that is done with signed addresses, by `pipeline.storage.http`.
Only `settings` may be imported where no remote place is met: all else imports boto3, which takes a
third of a second of processor time.
"""
