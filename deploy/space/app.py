"""A demonstration with Gradio, as a Space of the Hugging Face hub runs it: python app.py [MODEL]..."""

import csv
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when it is imported
import gradio as gr
import pandas as pd

import ser_tl as ser
from ser_tl.streaming import StreamingPredictor

MODELS = {name: ser.Predictor(name) for name in sys.argv[1:]} or {"the bundled model": ser.Predictor()}
AXES = ["seconds", "emotion", "probability"]
INFORMED = "I have informed everyone who can be heard that their emotions are recognised (EU AI Act, article 50(3))."


def predict(informed, path, *names):
    """The probabilities of the emotions in one recording, by each model."""
    if not informed or path is None:
        raise gr.Error("Confirm that everyone was informed." if path else "Choose a file, or record one.")
    found = [MODELS[name].predict(path, on_error="report")[0] for name in names]
    if found[0].error or not found[0].speech:
        raise gr.Error(found[0].error or "The recording is silent.")
    return [one.probabilities for one in found] if len(found) > 1 else found[0].probabilities


def predict_all(informed, paths, name):
    """The emotions in many recordings as a CSV, errors among them."""
    if not informed or not paths:
        raise gr.Error("Confirm that everyone was informed." if paths else "Choose files.")
    rows = [(Path(path).name, MODELS[name].predict(path, on_error="report")[0]) for path in paths]
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="", encoding="utf-8", delete=False) as file:
        table = [(path, one.label, max(one.probabilities.values(), default=""), one.error or "") for path, one in rows]
        csv.writer(file).writerows([("file", "label", "probability", "error"), *table])
    return file.name, table


def follow(informed, block, name, stream, course):
    """The emotion now, and its probabilities in the last half minute, after the next block from the microphone."""
    if not informed:
        return "Confirm that everyone was informed.", None, None, []
    if block is None:  # the microphone is off
        return gr.skip(), gr.skip(), None, []
    stream = stream or StreamingPredictor(MODELS[name].session)
    updates = [update for update in stream.feed(block[1], block[0], late="skip") if update.probabilities]
    if not updates:  # Gradio sends ten blocks a second
        return gr.skip(), gr.skip(), stream, course
    course = [update for update in [*course, *updates] if update.time > stream.time - 30]
    points = [(update.time, label, p) for update in course for label, p in update.probabilities.items()]
    return updates[-1].probabilities, pd.DataFrame(points, columns=AXES), stream, course


def choose(label, number=0):
    """A choice among the models."""
    return gr.Dropdown(list(MODELS), value=list(MODELS)[number % len(MODELS)], label=label)


with gr.Blocks(title="ser_tl") as demo:
    informed = gr.Checkbox(label=INFORMED)
    with gr.Tab("One recording"):
        audio, model = gr.Audio(sources=["upload", "microphone"], type="filepath", label="Recording"), choose("Model")
        gr.Button("Recognise").click(predict, [informed, audio, model], gr.Label(label="Emotion"))
    with gr.Tab("Live"):
        audio, model = gr.Audio(sources=["microphone"], streaming=True, label="Microphone"), choose("Model")
        plot = gr.LinePlot(x=AXES[0], y=AXES[2], color=AXES[1], y_lim=[0, 1], label="The last half minute")
        memory = gr.State(), gr.State([])
        audio.stream(
            follow, [informed, audio, model, *memory], [gr.Label(label="Emotion"), plot, *memory], stream_every=0.4
        )
    with gr.Tab("Many files"):
        files, model = gr.Files(label="Recordings"), choose("Model")
        columns = ["file", "label", "probability", "error"]
        results = [gr.File(label="CSV"), gr.Dataframe(headers=columns, label="Answers")]
        gr.Button("Recognise all").click(predict_all, [informed, files, model], results)
    with gr.Tab("Compare two models"):
        audio = gr.Audio(sources=["upload", "microphone"], type="filepath", label="Recording")
        models = [choose("First model"), choose("Second model", 1)]
        gr.Button("Compare").click(
            predict, [informed, audio, *models], [gr.Label(label="First"), gr.Label(label="Second")]
        )

if __name__ == "__main__":
    demo.launch()
