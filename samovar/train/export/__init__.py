"""A trained model in the formats that other programs load: Hugging Face's folder and GGUF, each proven before it counts."""
