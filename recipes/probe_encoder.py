"""Probes an encoder: how much of emotion a linear model reads from its states, on held-out speakers.

    accelerate launch recipes/probe_encoder.py
    accelerate launch recipes/probe_encoder.py --encoder runs/mini --random --probe.corpus ravdess \
        --probe.root RAVDESS --probe.protocol folds --probe.folds EMOBOX/ravdess
    accelerate launch recipes/probe_encoder.py --encoder runs/mini --teacher openai/whisper-tiny.en

Mean and deviation of each layer over time, concatenated and standardised, then a logistic regression: the encoder isn't
trained, and nothing is chosen on dev. With a teacher, also how well the encoder's layers predict the teacher's, without
labels: the mean cosine of the best linear maps, on the first fold's test part. Without arguments: the bundled encoder,
on the bundled EMO-DB in five folds.
"""

from accelerate import Accelerator

import ser_tl as ser


def main(options: ser.ProbeOptions) -> ser.Report:
    """Probes all chosen layers together, and perhaps each alone."""
    ser.seed_everything(options.seed)
    probe = ser.Probe(options.probe, seed=options.seed)
    folder = ser.start_run(options)
    device = Accelerator().device
    encoder = ser.load_encoder(options.encoder, pretrained=not options.random, **options.encoder_options).to(device)
    statistics = probe.statistics(encoder)
    report = probe.report(statistics, encoder, options.probe.layers)
    if options.each:
        ser.print_layer_scores(probe, statistics, encoder)
    if options.teacher is not None:
        cosines = probe.fidelity(encoder, ser.load_encoder(options.teacher).to(device)).tolist()
        report = ser.add_fidelity(report, cosines, options.teacher, options.probe.layers or range(encoder.num_states))
    return ser.finish_probe(report, folder)


if __name__ == "__main__":
    ser.run_main(main, ser.ProbeOptions, __doc__)
