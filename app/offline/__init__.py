"""The command `compare`: two files of vectors held against each other, for people and for CI."""
