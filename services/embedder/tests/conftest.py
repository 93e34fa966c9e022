"""Tests make tiny models with transformers themselves, which imports torchvision where there is one."""

from heaters_embedder.towers import lend_torchvision_its_operators

lend_torchvision_its_operators()
