"""Makes the bundled demonstration model of a run: the same model, its encoder's weights in half precision.

    accelerate launch recipes/finetune_wav2vec2.py --strategy frozen --model.layers '[2]' --pooling stats \
        --train.refit discriminant --train.epochs 1 --augment.preset field --augment.views 4 --output runs/emodb_model
    python recipes/build_emodb_model.py runs/emodb_model ser_tl/assets/emodb_model
    ser-tl export ser_tl/assets/emodb_model --quantize int8 --output runs/int8

Of the last, `model.onnx`, `ser_tl_export.json` and `parity.md` are the asset emodb_model_int8, which servers use.
The encoder is the bundled wav2vec2-mini, which is published in half precision: nothing is lost.
"""

import json
import shutil
import sys
from pathlib import Path

import ser_tl as ser


def main(run: Path, asset: Path) -> None:
    """Copies a run's model, its card and its report's figures."""
    model = ser.EmotionModel.from_pretrained(run / "model")
    model.encoder.half()
    model.save_pretrained(asset)
    shutil.copyfile(run / "model" / "README.md", asset / "README.md")
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    print(f"UAR {100 * report['uar']:.1f} % on {report['support']} clips of speakers that it was not trained on")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
