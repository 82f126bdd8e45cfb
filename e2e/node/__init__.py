"""The images on a real node: kubelet, containerd and kube-proxy on this machine, in namespaces of their own."""
