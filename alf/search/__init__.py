"""A search: training jobs for every combination of some parameters, from code that stays as it was.

    read_spec(path)            what to search, from its JSON file
    expand(spec)               every combination, and a name for its folder
    SearchJob(...).run()       submit or go on: freeze the code, run the jobs, tell the results

docs/grid_search.md tells users about it.
"""
