"""Maps the folders of this repository into one import namespace, ``raise_agent``.

``raise`` is a Python keyword, so no folder of that name can be imported as such.
"""

from pathlib import Path

from setuptools import find_packages, setup

LAYERS = {
    "raise_agent": "raise",
    "raise_agent.envs": "envs",
    "raise_agent.planners": "planners",
    "raise_agent.conf": "conf",
    "raise_agent.experiments": "experiments",
}

RESEARCH = [
    "torch>=2.6",
    "aiohttp>=3.10",
    "gymnasium>=1.0",
    "hydra-core>=1.3.2,<1.4",
    "matplotlib>=3.8",
    "omegaconf>=2.3,<2.4",
    "orjson>=3.10",
    "pyyaml>=6",
    "rich>=13",
    "scikit-learn>=1.4",
    "scipy>=1.11",
    "threadpoolctl>=3.1",
    "transformers>=4.48",
    "wandb>=0.18",
]
# What the Inspect task needs of ``research``, without torch, and what Inspect needs for OpenAI-compatible servers.
INSPECT = [
    "inspect_ai>=0.3.285",
    "openai>=2.45",
    "aiohttp>=3.10",
    "omegaconf>=2.3,<2.4",
    "orjson>=3.10",
    "pyyaml>=6",
    "rich>=13",
    "scipy>=1.11",
]
ONNX = ["onnx>=1.16", "onnxruntime>=1.19"]
TEST = ["pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6", "playwright>=1.50"]

setup(
    name="raise-agent",
    version="0.1.0",
    description="Decides what a language model should ask a person before it answers them.",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.14",
    package_dir=LAYERS,
    packages=[
        package
        for name, folder in LAYERS.items()
        for package in [name, *(f"{name}.{child}" for child in find_packages(folder))]
    ],
    package_data={
        "raise_agent": ["py.typed", "*.json"],
        "raise_agent.agent": ["*.json"],
        "raise_agent.building": ["*.json"],
        "raise_agent.data": ["*.json"],
        "raise_agent.encoders": ["*.txt"],
        "raise_agent.models.served": ["prompts/*.yaml"],
        "raise_agent.experiments": ["*.json"],
        "raise_agent.experiments.reporting": ["assets/*"],
        "raise_agent.conf": ["*.yaml", "*/*.yaml", "*/*/*.yaml"],
    },
    install_requires=["numpy>=1.26", "safetensors>=0.4.3"],
    extras_require={
        "research": RESEARCH,
        "encoders": ["sentence-transformers>=6", "model2vec[distill]>=0.6"],
        "hub": ["datasets>=3", "huggingface_hub>=0.30"],
        "inspect": INSPECT,
        "onnx": ONNX,
        "rl": ["sb3-contrib>=2.4"],
        "vllm": ["vllm>=0.12"],
        "test": TEST,
        "dev": [*TEST, *ONNX, "mypy>=1.15", "ruff>=0.9"],
    },
    entry_points={
        "console_scripts": ["raise-agent=raise_agent.experiments.main:main"],
        "inspect_ai": ["raise_agent=raise_agent.experiments.inspecting"],
    },
    classifiers=[
        "License :: OSI Approved :: MIT License",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
)
