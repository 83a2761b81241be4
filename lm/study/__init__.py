"""The coursework study, whole: what it trains, what is chosen, what it shows and what it ships.

`sections`, `scales`, `knobs` and `published` are the study as data, `families` its runs. `choices`
chooses on validation, `results` reads what came out, `claims` says what may be said about it.
`figures` and `report` write, `running` trains and ships. Everything shown comes from run folders.
No torch is imported before a sample is drawn from a checkpoint.
"""
