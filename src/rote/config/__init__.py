"""Turn YAML and command-line overrides into plain, checked configurations; OmegaConf stops here."""
