"""One module a revision, named m<revision>_<what>."""
