"""Shadow trials: a challenger answers a share of the live requests, and labels of disagreements give a verdict."""
