"""Requirements of the worker image: torch.txt (large, changes rarely) and others.txt (everything else)."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
training = extras["training"]
torch = [line for line in training if line.startswith("torch")]
others = sorted(
    {*project["dependencies"], *extras["serve"], *extras["openvino"], *extras["backbone"], *training} - {*torch}
)
for name, lines in (("torch", torch), ("others", others)):
    Path(f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
