"""From YAML and command-line overrides to plain, checked configurations; OmegaConf stops here."""
