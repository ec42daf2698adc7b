"""The verbs a person types. Each is one module with a `VERB`; none of them knows doit."""
