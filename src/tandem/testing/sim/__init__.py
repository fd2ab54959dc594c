"""A seeded simulation: the real core, shell and step against phones, a network and a store that misbehave."""
