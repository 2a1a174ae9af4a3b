"""`ser-tl export`: a trained model as a graph that others compute."""

from jsonargparse import Namespace

from ser_tl.cli.corpus_arguments import load_named


def export(options: Namespace) -> int:
    """Exports the model, and prints what was measured."""
    from ser_tl.export import export_model
    from ser_tl.export.folder import describe
    from ser_tl.model import EmotionModel

    corpus, notes = None, list[str]()
    if options.calibrate is not None:
        corpus, notes = load_named(options, options.calibrate)
    model = EmotionModel.from_pretrained(options.model)
    manifest = export_model(
        model,
        options.output,
        options.format,
        weights=options.weights,
        quantize=options.quantize,
        calibrate=corpus,
        python=options.python,
        window=options.window,
    )
    print("\n\n".join([*(f"note: {note}" for note in notes), describe(manifest)]))
    size = sum((options.output / name).stat().st_size for name in manifest.files)
    print(f"{options.output / manifest.graph}: {size / 1e6:.2f} MB")
    return 0
