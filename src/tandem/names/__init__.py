"""The names room: addresses of trunks' host names, looked up beside the calls and never for one."""
