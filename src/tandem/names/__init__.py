"""The names room: where the hosts of trunks are, known beside the calls and never asked for one."""
