"""One job in several processes, its ranks: each steps its own environments, all learn the same."""
