"""The command line: one small file for each command group, no logic of its own.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 something in the environment is missing.
Results go to standard output, progress and logs to standard error. With ``--json`` standard
output carries JSON alone.
"""
