"""Every kind of schema change, made in the models and behind their back."""
