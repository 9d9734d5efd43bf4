"""CodeGen -> GPT-J, for servers such as vLLM that have GPT-J and no CodeGen. The conversion is exact.

python -m codegen_ui.export --model Salesforce/codegen-2B-mono --out codegen-2B-gptj
"""
