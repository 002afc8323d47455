"""Rights: the law as data, terms and clocks, letters and forms, the impact file. Pure."""
