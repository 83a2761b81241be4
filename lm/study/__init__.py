"""The coursework study, whole: what it trains, what is chosen, what it shows and what it ships.

`sections` is the study as data, `results` reads runs and chooses, `figures` and `report` show,
`running` trains, writes and ships. Everything shown comes from run folders. No torch is imported
before a sample is drawn from a checkpoint.
"""
