"""The model repository: versions, their manifests, champions, publishing, integrity and pruning."""
