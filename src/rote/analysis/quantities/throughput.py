"""What devices can do at most: the denominator of a share of the peak."""

import re

FLOPS_PER_PARAMETER_AND_TOKEN = 6.0  # Kaplan et al. 2020, section 2.1; attention scores left out

# Dense matrix products a second of tensor cores without sparsity, from NVIDIA's data sheets:
# A100 (2021), H100 (2023) and H200 (2024), by a pattern of torch's name of the whole device. Of the
# PCIe and NVL cards only those of the A100 are as fast as SXM; a MIG part has no data sheet. Number
# formats as in conf/precision; fp32 with TF32 off runs outside of them.
PEAK_FLOPS_PER_SECOND = {
    r"(NVIDIA )?A100(-SXM4-\d+GB|-PCIE-\d+GB| 80GB PCIe)": {
        "fp32": 19.5e12, "tf32": 156e12, "bf16_mixed": 312e12, "bf16_true": 312e12,
    },
    r"NVIDIA (H100( 80GB HBM3)?|H200)": {
        "fp32": 67e12, "tf32": 494.7e12, "bf16_mixed": 989.4e12, "bf16_true": 989.4e12,
    },
}  # fmt: skip


def peak_flops_per_second(device: str, precision: str) -> float | None:
    """Of one device by torch's name of it; None for a processor or an unknown device."""
    for pattern, peaks in PEAK_FLOPS_PER_SECOND.items():
        if re.fullmatch(pattern, device):
            return peaks[precision]
    return None
