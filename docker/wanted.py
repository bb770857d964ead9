"""Write what a worker installs into torch.txt, which takes long and seldom changes, and others.txt."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
training = project["optional-dependencies"]["training"]
torch = [line for line in training if line.startswith("torch")]
others = project["dependencies"] + [line for line in training if line not in torch]
for name, lines in (("torch", torch), ("others", others)):
    Path(f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
