"""The README's benchmarks: `python -m codegen_ui.bench COMMAND`.

Each command prints tables for people, with the machine and the versions, and as its last line one JSON object. Its
`ratios` are of medians over rounds of one run, in which the things compared take turns; absolute figures belong to the
machine.
"""
