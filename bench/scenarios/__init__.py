"""The measurements of `./tandem bench`: one file a scenario, each with a `measure` that returns figures."""
