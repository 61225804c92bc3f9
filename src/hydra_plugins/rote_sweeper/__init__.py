"""Register rote's Hydra sweeper: `rote train -m`."""
