"""What all tests share: no network, and one thread.

Tiny tensors on two threads are ten times slower than on one where the cores are busy: the threads spin while they wait.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before huggingface_hub is imported: nothing here may need a network
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for the programs that tests start
