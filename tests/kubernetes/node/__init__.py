"""A Kubernetes cluster without a container engine, in namespaces of its own."""
