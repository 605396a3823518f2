"""The paper's experiments, one a file: file name = registry name = option of ``experiment=``."""
