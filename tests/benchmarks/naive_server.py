"""The server that everyone writes first: FastAPI, and transformers' pipeline for each request.

python -m tests.benchmarks.naive_server MODEL PORT
"""

import io
import sys

import soundfile
import uvicorn
from fastapi import FastAPI, UploadFile
from transformers import pipeline

app = FastAPI()
classify = pipeline("audio-classification", model=sys.argv[1], device="cpu")


@app.post("/predict")
def predict(file: UploadFile):
    samples, rate = soundfile.read(io.BytesIO(file.file.read()), dtype="float32")  # the pipeline's own way needs ffmpeg
    return classify({"raw": samples, "sampling_rate": rate}, top_k=None)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
