# The image of the server and its bundles: no PyTorch, not root, fine with a read-only root file system.
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt ./
# The base dependencies but onnx, which `qingmo-models pack` alone asks for.
RUN python3 -c "import tomllib; print(*(d for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'] if d != 'onnx'), sep='\n')" > requirements.txt \
 && python3 -m venv --without-pip /opt/qingmo \
 && pip --python /opt/qingmo/bin/python install --no-cache-dir --no-compile --requirement requirements.txt --constraint constraints.txt
# Out again: the hub's client, which tokenizers needs for downloads alone; onnxruntime's C library, of which its Python
# module has a copy inside, and its converters; tests; what numpy compiles with; colours for languages nobody prints
# here; the debug symbols that some wheels come with.
RUN pip --python /opt/qingmo/bin/python uninstall --yes --quiet huggingface-hub hf-xet httpx2 httpcore2 fsspec pyyaml \
 && cd /opt/qingmo/lib/python3.11/site-packages \
 && rm -rf onnxruntime/capi/libonnxruntime.so.* onnxruntime/transformers onnxruntime/tools onnxruntime/quantization onnxruntime/datasets \
 && rm -rf numpy/f2py numpy/distutils numpy/_core/include \
 && find pygments/lexers -name '*.py' ! -name '__init__.py' ! -name '_mapping.py' ! -name 'python.py' -delete \
 && find . -type d -name tests -prune -exec rm -rf {} + \
 && apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils >/dev/null \
 && strip --strip-unneeded uvloop/*.so tokenizers/*.so httptools/*/*.so
COPY . .
# The bytecode is made here: the running container may not write it, and compiling at every start would cost seconds.
RUN pip --python /opt/qingmo/bin/python install --no-cache-dir --no-compile --no-deps . \
 && /opt/qingmo/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/qingmo/lib

FROM python:3.11-slim
COPY --from=build /opt/qingmo /opt/qingmo
ENV PATH=/opt/qingmo/bin:$PATH PYTHONUNBUFFERED=1 QINGMO_HOST=0.0.0.0 QINGMO_PORT=8000 ORT_DISABLE_TELEMETRY=1
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"QINGMO_PORT\"]}/health/ready', timeout=2)"]
ENTRYPOINT ["qingmo-serve"]
