"""Triton kernels for CUDA, one module for each operation that has one. Importing a module needs the library Triton.

Imports are absolute: ``import triton`` in these files is the library, never this folder.
"""
