"""What European law says of emotion recognition, as far as a card's reader has to know that there is a question.

Regulation (EU) 2024/1689 as amended in 2026; dates and articles are named, nothing is interpreted.
"""

LAW = """## Law: European Union

Not legal advice. Under Regulation (EU) 2024/1689 (the AI Act) a system that infers emotions from voices is an emotion
recognition system (article 3 (39)), whoever made the model.

- **At work and in education it is prohibited** to place on the market, put into service or use AI systems that infer
  emotions, except for medical or safety reasons: article 5 (1) (f), since 2 February 2025.
- **People who are exposed to it have to be informed** by whoever deploys it, and their personal data processed as the
  General Data Protection Regulation demands: article 50 (3), since 2 August 2026. For example:

  > *This service analyses your voice by software that estimates emotions. The result is an estimate, may be wrong, and
  > is used for PURPOSE only. Recordings are kept for TIME. You can decline at CONTACT without disadvantage.*

- **It is a high-risk use** (article 6 (2), annex III 1 (c)): risk management, documentation, human oversight,
  registration and more are due from 2 December 2027 (the date as moved in 2026 from 2 August 2026).

Other countries have laws of their own, and voices are personal data in many."""
