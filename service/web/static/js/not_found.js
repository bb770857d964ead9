// The page for unknown addresses has no script beside the shell's.
