"""The shipped weights: what is published is what the small networks promise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import Saliency

from core.home import shipped_models
from core.manifest import GRADIENT_GRAPH, read_manifest
