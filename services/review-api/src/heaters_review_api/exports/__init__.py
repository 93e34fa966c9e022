"""Exported clips for other teams: a selection, part by part, in the formats that datasets and editing programs read.

A part is planned before a byte of it is sent: a list of pieces, each a few bytes or an object of the store. So its length and its name
(ETag) are known, any range of it can be sent without what comes before, nothing lies here in between, and memory does not grow with the
selection. The token of a part names the same selection again: clips that were exported meanwhile are not in it.
"""
