"""Transfer learning for speech emotion recognition, on pretrained audio encoders."""
