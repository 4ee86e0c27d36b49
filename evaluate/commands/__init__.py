"""The evaluation stage's commands, one a file: `add_command` puts it on the command line."""
