"""One module a data set, each with `load_data`; `source` is the switch between sample and full."""
