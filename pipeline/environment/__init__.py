"""What a machine has of all that shardmill needs: packages, codecs, disks, locks."""
