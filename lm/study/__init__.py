"""The coursework study: its runs, its choices on validation, its figures and its report.

`sections`, `scales`, `knobs` and `published` are the study as data, and `families` makes its runs
of them. `choices` chooses on validation, `results` reads the outcomes, `figures` and `report`
write, and `running` trains and ships. Every number comes from run folders, except those of
`published`. Nothing here imports torch.
"""
