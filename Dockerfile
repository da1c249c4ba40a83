# docker build -t unrolled .
# docker run --rm -p 8000:8000 unrolled

FROM python:3.11-slim AS build
# PyTorch's own index, for wheels without CUDA. Empty it to use pip's settings alone.
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
# tensorflow, onnx, or graphs for both: what the framework TensorFlow and all kinds in the graph lab need.
ARG EXTRAS=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/unrolled/bin:$PATH
RUN python3 -m venv /opt/unrolled
WORKDIR /build
# The slow layers first: they change only when a version does.
COPY requirements requirements
RUN pip install -q --no-deps --require-hashes -r requirements/torch-cpu.txt \
    || pip install -q --no-deps --require-hashes -r requirements/torch.txt
RUN pip install -q --no-deps --require-hashes -r requirements/run.txt ${EXTRAS:+-r requirements/$EXTRAS.txt}
COPY README.md LICENSE pyproject.toml ./
COPY model model
COPY app app
COPY deploy deploy
COPY static static
# Headers, tests and notebook extensions are never read by the service; torch looks for its torch_shm_manager.
RUN pip install -q --no-deps --no-build-isolation . && pip check \
    && pip uninstall -q -y pip \
    && cd /opt/unrolled/lib/python3*/site-packages \
    && find torch/bin -type f ! -name torch_shm_manager -delete \
    && rm -rf torch/include torch/test torch/share/cmake torch/lib/*.a \
         plotly/labextension numpy/*/tests numba/tests numba/*/tests llvmlite/tests onnx/backend/test \
         sympy/*/tests sympy/*/*/tests ../../../share/jupyter
# What learns is compiled for this processor. On one of another kind it is compiled anew at each start.
RUN cd / && python -m model.compiled --beside

FROM python:3.11-slim
RUN useradd --uid 10001 --user-group --home-dir /var/lib/unrolled --create-home --shell /usr/sbin/nologin unrolled
COPY --from=build /opt/unrolled /opt/unrolled
# One process and one thread a kernel, whatever the machine has: the container's CPU quota is the only bound it needs.
# UNROLLED_WORKERS=2 starts two servers under a parent; more containers do as well, since a run travels with its viewer.
ENV PATH=/opt/unrolled/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 \
    UNROLLED_HOST=0.0.0.0 UNROLLED_PORT=8000 UNROLLED_MODELS_DIR=/var/lib/unrolled
USER unrolled
WORKDIR /var/lib/unrolled
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python3", "-c", \
  "import http.client, os, sys; probe = http.client.HTTPConnection('127.0.0.1', int(os.environ['UNROLLED_PORT']), timeout=2); probe.request('GET', '/healthz'); sys.exit(probe.getresponse().status != 200)"]
CMD ["unrolled", "serve"]
