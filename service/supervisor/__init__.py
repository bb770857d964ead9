"""What runs beside the API of one machine: a broker, a worker, and the set-up of what training needs."""
