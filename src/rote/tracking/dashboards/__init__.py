"""One file a kind of report: its ``DASHBOARD``; nothing else is edited to add one."""
