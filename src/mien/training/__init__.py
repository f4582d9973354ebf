"""Photos in, bundles out: data forms, recipes, trainers, publishing. Only `with_torch/` imports a framework."""
