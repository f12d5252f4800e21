"""The HTTP plane: routes, open mode, problem documents."""
