"""The action-unit network, learned from faces that FACS coders, or a renderer, labelled."""
