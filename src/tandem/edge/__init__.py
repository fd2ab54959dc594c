"""The edge process, which holds sockets and connections. It imports nothing: from exec to the first packet is short."""
