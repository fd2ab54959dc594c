"""The measurements of `./tandem bench sip`: one file a scenario, each with a `measure` that returns figures."""
